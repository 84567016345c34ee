"""How property tests run: a busy machine must not fail them, and CI tests the same cases each time.

With ``CI`` set, hypothesis loads its own profile ``ci``, which does both.
"""

from hypothesis import HealthCheck, settings

import engine.inference  # noqa: F401 -- keeps OpenVINO quiet, which some tests import themselves

if settings.get_current_profile_name() != "ci":
    settings.register_profile(
        "posestream", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("posestream")

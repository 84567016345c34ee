"""The speed of this machine at a job, stage by stage: ``posestream bench``."""

"""How fast this machine runs a job, stage by stage: ``posestream bench``."""

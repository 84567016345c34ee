"""The runtime TensorFlow, for exports of DeepLabCut."""

"""The runtime OpenVINO, for exports of DeepLabCut."""

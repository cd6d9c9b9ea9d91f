"""The FastAPI application of the performance tuning guide, tuned as the guide says."""

"""From a compose file and a Dockerfile to the plan of a pod. Pure: texts in, values out."""

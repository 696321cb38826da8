"""Job mode: the agent in a pod, beside the containers that do the work. kube/README.md has the
contract of files, folders and variables; worker_image/README.md the settings."""

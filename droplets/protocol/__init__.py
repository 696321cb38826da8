"""The legacy worker-agent protocol, as the Ruby agent on the droplets speaks it."""

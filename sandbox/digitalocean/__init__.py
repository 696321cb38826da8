"""The sandbox DigitalOcean API v2: real HTTP on loopback, droplets that are local processes."""

"""Everything about DigitalOcean droplets, the legacy backend. Deletable: nothing imports it."""

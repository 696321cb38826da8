"""Development stand-ins for the outside world. They speak the real wire; no app imports them."""

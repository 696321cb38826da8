"""`make demo`: the whole of Switchyard on this machine, with Tasks running through it."""

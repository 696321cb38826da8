"""What a control plane does by itself: each controller brings what is to what was asked for."""

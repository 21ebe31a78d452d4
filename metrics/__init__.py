"""What the daemon says about itself: metrics and logs."""

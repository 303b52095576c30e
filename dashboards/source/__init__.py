"""What the three dashboards are made of: parts.py has what they share, the others have one dashboard each."""

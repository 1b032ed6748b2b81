"""What people decide from: notes worth a review, themes that no reason covers."""

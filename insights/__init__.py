"""What people decide from: the notes worth a review, themes that no reason covers, and the pages of reports."""

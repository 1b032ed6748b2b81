"""Lost deals worth another call: who comes back, how likely, when, and for how much."""

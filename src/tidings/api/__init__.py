"""What every router shares: bodies, problem+json, who may ask."""

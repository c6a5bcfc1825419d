"""A fleet: claims as PgQueuer makes them, and a simulation that goes by these."""

"""From Arrow batches to windows on a device."""

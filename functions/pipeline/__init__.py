"""What the functions share: keys, recipes, manifests, job records, storage, messages."""

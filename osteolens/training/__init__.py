"""What training of every stage shares. Needs the extra 'train'."""

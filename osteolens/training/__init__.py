"""Code that training of every stage uses. Needs the extra 'train'."""

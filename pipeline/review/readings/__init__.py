"""What readers say of studies: corrections, the file of each reader, and tables made of them."""

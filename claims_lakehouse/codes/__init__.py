"""What codes meant on a day: the releases of ICD-10-CM at hand, and lines held to them. It reads no stage."""

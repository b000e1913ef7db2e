"""What codes meant on a day: the releases of ICD-10-CM at hand, and lines held to them. Stages read it; it reads none."""

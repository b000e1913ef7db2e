"""Pay what was decided, exactly once: remittances (X12 835) and a bank file (NACHA CCD+) for each payment day."""

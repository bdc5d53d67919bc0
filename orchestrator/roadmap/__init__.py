"""The roadmap of studies: which verdicts open which study, and running them in that order."""

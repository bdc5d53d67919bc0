"""Speech corpora: recordings, speakers, splits and acoustic tracks."""

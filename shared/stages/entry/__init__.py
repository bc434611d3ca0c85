"""From a candidate to a started order: score, gate, execute."""

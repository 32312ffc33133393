-- Which zones are in use, by which rules: read at every start and every minute, without a walk over all patients.
CREATE INDEX patients_by_zone ON patients (zone, zone_hash);

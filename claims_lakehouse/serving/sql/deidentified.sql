-- One row is one version of one {entity}, de-identified by the Safe Harbor method (45 CFR 164.514(b)(2)), in no order
-- that tells anything.
CREATE TABLE {table} AS
SELECT {columns},
       {valid_from} AS valid_from_year, {valid_to} AS valid_to_year, is_current, version
FROM source.{table} AS held
{joins}
ORDER BY ALL;

-- One row is one {entity} as it is now, de-identified by the Safe Harbor method (45 CFR 164.514(b)(2)).
CREATE VIEW {entity} AS
SELECT {names} FROM {table} WHERE is_current;

-- One row is one patient whose claims may be decided otherwise by what was touched, and from which received day on.
CREATE OR REPLACE TEMP TABLE affected AS
WITH patient_line AS (SELECT DISTINCT patient_id, procedure_code FROM fact_medical_claim),
member AS (SELECT DISTINCT patient_id, plan_id FROM dim_coverage),
of_plan AS (
    SELECT DISTINCT feed, plan_id, procedure_code, since FROM internal.touched
    WHERE feed IN ('fee_schedules', 'exclusions', 'procedure_edits')
),
found AS (
    SELECT patient_id, since FROM internal.touched WHERE patient_id IS NOT NULL
    UNION ALL
    SELECT member.patient_id, since FROM internal.touched AS touched JOIN member USING (plan_id) WHERE feed = 'plans'
    UNION ALL
    SELECT patient_line.patient_id, since FROM of_plan JOIN patient_line USING (procedure_code)
    WHERE of_plan.plan_id IS NULL
    UNION ALL
    SELECT patient_line.patient_id, since FROM of_plan JOIN patient_line USING (procedure_code)
    JOIN member ON member.patient_id = patient_line.patient_id AND member.plan_id = of_plan.plan_id
    UNION ALL
    SELECT member.patient_id, since FROM of_plan JOIN member USING (plan_id) WHERE procedure_code IS NULL
    UNION ALL
    SELECT patient_id, since FROM of_plan, (SELECT DISTINCT patient_id FROM patient_line)
    WHERE procedure_code IS NULL AND plan_id IS NULL
    UNION ALL
    SELECT patient_id, since
    FROM (SELECT min(since) AS since FROM internal.touched WHERE feed IN ('code_sets', 'rule sets')),
         (SELECT DISTINCT patient_id FROM patient_line)
    WHERE since IS NOT NULL
)
SELECT patient_id, min(since) AS since FROM found GROUP BY patient_id;

-- What is asked of a job besides its input: contract, prompt, tools. Such inputs are of version 3: older workers would pass the terms over.
ALTER TABLE job_payloads ADD COLUMN terms text;          -- JSON of JobTerms; null is nothing

-- What was found when an attempt's answers were laid beside their contract.
ALTER TABLE job_attempts ADD COLUMN checks text;         -- JSON array of ContractCheck; null without a contract

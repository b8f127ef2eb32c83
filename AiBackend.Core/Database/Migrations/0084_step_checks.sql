-- What its contract found about what a step gives that no job does (AiBackend.Core/Workflows). Expand only.
ALTER TABLE workflow_steps ADD COLUMN checks text;      -- JSON array of one ContractCheck; null without a contract

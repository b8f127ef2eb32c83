using System.Text.Json;
using System.Text.Json.Serialization;
using AiBackend.ApiContracts.Audit;
using AiBackend.ApiContracts.Contracts;
using AiBackend.ApiContracts.DeadLetters;
using AiBackend.ApiContracts.Jobs;
using AiBackend.ApiContracts.Knowledge;
using AiBackend.ApiContracts.Money;
using AiBackend.ApiContracts.Operations;
using AiBackend.ApiContracts.Prompts;
using AiBackend.ApiContracts.Reviews;
using AiBackend.ApiContracts.Routing;
using AiBackend.ApiContracts.Tenancy;
using AiBackend.ApiContracts.Webhooks;

namespace AiBackend.ApiContracts;

/// <summary>The one JSON dialect of the native API: snake_case, strict on the way in, nulls written on the way out.</summary>
/// <remarks>
/// Strict means: unknown and duplicate members are refused and nesting is limited to 32. "Last one wins" for a duplicate
/// member is a known way to smuggle a value past a check.
/// </remarks>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    AllowDuplicateProperties = false,
    MaxDepth = 32,
    UseStringEnumConverter = false
)]
[JsonSerializable(typeof(SubmitJobRequest))]
[JsonSerializable(typeof(ChatInput))]
[JsonSerializable(typeof(NoopInput))]
[JsonSerializable(typeof(OutputContract))]
[JsonSerializable(typeof(ReviewQuestion))]
[JsonSerializable(typeof(IReadOnlyList<ContractCheck>))]
[JsonSerializable(typeof(CheckContractRequest))]
[JsonSerializable(typeof(ContractCheckResult))]
[JsonSerializable(typeof(JsonElement))]
[JsonSerializable(typeof(KnowledgeDocument))]
[JsonSerializable(typeof(KnowledgeRequest))]
[JsonSerializable(typeof(KnowledgeList))]
[JsonSerializable(typeof(KnowledgeQuery))]
[JsonSerializable(typeof(KnowledgePassages))]
[JsonSerializable(typeof(Job))]
[JsonSerializable(typeof(JobPage))]
[JsonSerializable(typeof(JobEventPage))]
[JsonSerializable(typeof(JobTrace))]
[JsonSerializable(typeof(IReadOnlyList<CallTrace>))]
[JsonSerializable(typeof(StateEvent))]
[JsonSerializable(typeof(DeltaEvent))]
[JsonSerializable(typeof(SnapshotEvent))]
[JsonSerializable(typeof(ResetEvent))]
[JsonSerializable(typeof(ContinuedEvent))]
[JsonSerializable(typeof(ToolCallEvent))]
[JsonSerializable(typeof(IReadOnlyList<ChatTool>))]
[JsonSerializable(typeof(IReadOnlyList<ChatToolCall>))]
[JsonSerializable(typeof(UsageEvent))]
[JsonSerializable(typeof(NoticeEvent))]
[JsonSerializable(typeof(FinalEvent))]
[JsonSerializable(typeof(Alert))]
[JsonSerializable(typeof(AlertList))]
[JsonSerializable(typeof(AlertMessage))]
[JsonSerializable(typeof(DeadLetter))]
[JsonSerializable(typeof(DeadLetterGroupPage))]
[JsonSerializable(typeof(DeadLetterPage))]
[JsonSerializable(typeof(ReplayRequest))]
[JsonSerializable(typeof(BulkFilter))]
[JsonSerializable(typeof(BulkReplayRequest))]
[JsonSerializable(typeof(BulkDiscardRequest))]
[JsonSerializable(typeof(BulkPreview))]
[JsonSerializable(typeof(BulkAction))]
[JsonSerializable(typeof(BulkActionList))]
[JsonSerializable(typeof(Stats))]
[JsonSerializable(typeof(ProviderList))]
[JsonSerializable(typeof(WorkerList))]
[JsonSerializable(typeof(ModelRoute))]
[JsonSerializable(typeof(RouteRequest))]
[JsonSerializable(typeof(RouteList))]
[JsonSerializable(typeof(Deployment))]
[JsonSerializable(typeof(DeploymentRequest))]
[JsonSerializable(typeof(DeploymentList))]
[JsonSerializable(typeof(Credential))]
[JsonSerializable(typeof(CredentialRequest))]
[JsonSerializable(typeof(CredentialList))]
[JsonSerializable(typeof(QueueList))]
[JsonSerializable(typeof(ControlInfo))]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(Budget))]
[JsonSerializable(typeof(BudgetRequest))]
[JsonSerializable(typeof(BudgetList))]
[JsonSerializable(typeof(Price))]
[JsonSerializable(typeof(PriceRequest))]
[JsonSerializable(typeof(PriceList))]
[JsonSerializable(typeof(UsageReport))]
[JsonSerializable(typeof(Key))]
[JsonSerializable(typeof(NewKey))]
[JsonSerializable(typeof(KeyList))]
[JsonSerializable(typeof(CreateKeyRequest))]
[JsonSerializable(typeof(ChangeKeyRequest))]
[JsonSerializable(typeof(RollKeyRequest))]
[JsonSerializable(typeof(Tenant))]
[JsonSerializable(typeof(TenantList))]
[JsonSerializable(typeof(CreateTenantRequest))]
[JsonSerializable(typeof(ChangeTenantRequest))]
[JsonSerializable(typeof(DeleteTenantRequest))]
[JsonSerializable(typeof(TenantDeletion))]
[JsonSerializable(typeof(Organisation))]
[JsonSerializable(typeof(OrganisationList))]
[JsonSerializable(typeof(CreateOrganisationRequest))]
[JsonSerializable(typeof(User))]
[JsonSerializable(typeof(UserList))]
[JsonSerializable(typeof(CreateUserRequest))]
[JsonSerializable(typeof(ChangeUserRequest))]
[JsonSerializable(typeof(CreateSessionRequest))]
[JsonSerializable(typeof(ChangeSessionRequest))]
[JsonSerializable(typeof(SessionBegun))]
[JsonSerializable(typeof(SessionInfo))]
[JsonSerializable(typeof(SetupRequest))]
[JsonSerializable(typeof(SetupState))]
[JsonSerializable(typeof(AuditPage))]
[JsonSerializable(typeof(AuditVerification))]
[JsonSerializable(typeof(Webhook))]
[JsonSerializable(typeof(NewWebhook))]
[JsonSerializable(typeof(WebhookChange))]
[JsonSerializable(typeof(WebhookList))]
[JsonSerializable(typeof(WebhookDelivery))]
[JsonSerializable(typeof(WebhookDeliveryPage))]
[JsonSerializable(typeof(WebhookTestMessage))]
[JsonSerializable(typeof(WebhookSource))]
[JsonSerializable(typeof(WebhookSourceList))]
[JsonSerializable(typeof(NewWebhookSource))]
[JsonSerializable(typeof(WebhookSourceChange))]
[JsonSerializable(typeof(WebhookJobTemplate))]
[JsonSerializable(typeof(WebhookReceipt))]
[JsonSerializable(typeof(Prompt))]
[JsonSerializable(typeof(PromptList))]
[JsonSerializable(typeof(PromptVersion))]
[JsonSerializable(typeof(PromptVersionList))]
[JsonSerializable(typeof(PromptTemplate))]
[JsonSerializable(typeof(PromptLabel))]
[JsonSerializable(typeof(PromptLabelList))]
[JsonSerializable(typeof(PromptDiff))]
[JsonSerializable(typeof(NewPrompt))]
[JsonSerializable(typeof(NewPromptVersion))]
[JsonSerializable(typeof(PromptLabelRequest))]
[JsonSerializable(typeof(Problem))]
[JsonSerializable(typeof(HealthReport))]
public sealed partial class WireJson : JsonSerializerContext;

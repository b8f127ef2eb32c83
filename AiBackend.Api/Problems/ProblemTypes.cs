namespace AiBackend.Api.Problems;

/// <summary>Every problem this API answers with. docs/problems.md explains each; a test compares the two lists.</summary>
internal static class ProblemTypes
{
    public static readonly ProblemType InvalidJson = new("invalid-json", 400, "The body is not valid JSON");
    public static readonly ProblemType InvalidUtf8 = new("invalid-utf8", 400, "The body is not valid UTF-8");
    public static readonly ProblemType TooDeep = new("too-deep", 400, "The body is nested too deeply");
    public static readonly ProblemType UnknownMember = new("unknown-member", 400, "The body has a member this API does not know");
    public static readonly ProblemType ForbiddenMember = new("forbidden-member", 400, "The body has a member that nobody may send");
    public static readonly ProblemType UnsupportedParameter = new("unsupported-parameter", 400, "The parameter is not supported here");
    public static readonly ProblemType DuplicateMember = new("duplicate-member", 400, "The body names a member twice");
    public static readonly ProblemType InvalidValue = new("invalid-value", 400, "A value is outside what this API accepts");
    public static readonly ProblemType UnknownType = new("unknown-type", 400, "The job type is not known");
    public static readonly ProblemType MissingMessages = new("missing-messages", 400, "The chat has no messages");
    public static readonly ProblemType EmptyText = new("empty-text", 400, "A message has no text");
    public static readonly ProblemType UnknownModel = new("unknown-model", 400, "The model is not configured here");
    public static readonly ProblemType UnknownTool = new("unknown-tool", 400, "There is no such tool");
    public static readonly ProblemType BadCursor = new("bad-cursor", 400, "The cursor is not one of this list");
    public static readonly ProblemType BadAfter = new("bad-after", 400, "The event number to resume from is not usable");

    public static readonly ProblemType ReasonNeeded = new("reason-needed", 400, "A reason is needed to look at another tenant's data");

    public static readonly ProblemType UnknownQueryParameter = new(
        "unknown-query-parameter",
        400,
        "The address has a parameter this API does not know"
    );

    public static readonly ProblemType MalformedIdempotencyKey = new("malformed-idempotency-key", 400, "The Idempotency-Key is malformed");
    public static readonly ProblemType MalformedRequest = new("malformed-request", 400, "The request is not valid HTTP");
    public static readonly ProblemType Unauthorized = new("unauthorized", 401, "A valid API key is needed");
    public static readonly ProblemType SignInFailed = new("sign-in-failed", 401, "Signing in failed");
    public static readonly ProblemType InvalidSignature = new("invalid-signature", 401, "The webhook does not prove who sent it");
    public static readonly ProblemType MissingScope = new("missing-scope", 403, "The API key may not do this");
    public static readonly ProblemType ForeignOrigin = new("foreign-origin", 403, "A page of another origin may not connect");
    public static readonly ProblemType PriorityTooHigh = new("priority-too-high", 403, "The API key may not ask for this priority");
    public static readonly ProblemType ModelNotAllowed = new("model-not-allowed", 403, "The API key may not ask for this model");
    public static readonly ProblemType BeyondOwnKey = new("beyond-own-key", 403, "The API key would give what it does not have");
    public static readonly ProblemType JobNotFound = new("job-not-found", 404, "There is no such job");
    public static readonly ProblemType BulkNotFound = new("bulk-not-found", 404, "There is no such bulk action");
    public static readonly ProblemType AlertNotFound = new("alert-not-found", 404, "There is no such alert");
    public static readonly ProblemType ProviderNotFound = new("provider-not-found", 404, "There is no such provider");
    public static readonly ProblemType RouteNotFound = new("route-not-found", 404, "There is no such route");
    public static readonly ProblemType DeploymentNotFound = new("deployment-not-found", 404, "There is no such deployment");
    public static readonly ProblemType CredentialNotFound = new("credential-not-found", 404, "No such key was set");
    public static readonly ProblemType BudgetNotFound = new("budget-not-found", 404, "There is no such budget");
    public static readonly ProblemType ControlNotFound = new("control-not-found", 404, "There is nothing of this name to hold back");
    public static readonly ProblemType KeyNotFound = new("key-not-found", 404, "There is no such API key");
    public static readonly ProblemType TenantNotFound = new("tenant-not-found", 404, "There is no such tenant");
    public static readonly ProblemType WebhookNotFound = new("webhook-not-found", 404, "There is no such webhook");
    public static readonly ProblemType PromptNotFound = new("prompt-not-found", 404, "There is no such prompt or version");
    public static readonly ProblemType ToolNotFound = new("tool-not-found", 404, "There is no such tool");
    public static readonly ProblemType ToolCallNotFound = new("tool-call-not-found", 404, "The job has no such call of a tool");
    public static readonly ProblemType BatchNotFound = new("batch-not-found", 404, "There is no such batch");
    public static readonly ProblemType FileNotFound = new("file-not-found", 404, "There is no such file");
    public static readonly ProblemType WorkflowNotFound = new("workflow-not-found", 404, "There is no such workflow");
    public static readonly ProblemType ConversationNotFound = new("conversation-not-found", 404, "There is no such conversation");
    public static readonly ProblemType ProfileNotFound = new("profile-not-found", 404, "There is no such profile");
    public static readonly ProblemType MessageNotFound = new("message-not-found", 404, "The conversation has no such message");
    public static readonly ProblemType DocumentNotFound = new("document-not-found", 404, "There is no such document");
    public static readonly ProblemType DeliveryNotFound = new("delivery-not-found", 404, "There is no such message");
    public static readonly ProblemType UserNotFound = new("user-not-found", 404, "There is no such user");
    public static readonly ProblemType ReviewNotFound = new("review-not-found", 404, "There is no such review");
    public static readonly ProblemType NotFound = new("not-found", 404, "There is nothing at this address");
    public static readonly ProblemType MethodNotAllowed = new("method-not-allowed", 405, "This address does not take that method");
    public static readonly ProblemType RequestTimeout = new("request-timeout", 408, "The request arrived too slowly");
    public static readonly ProblemType JobTerminal = new("job-terminal", 409, "The job has already ended");
    public static readonly ProblemType JobNotEnded = new("job-not-ended", 409, "The job has not ended yet");
    public static readonly ProblemType NotADeadLetter = new("not-a-dead-letter", 409, "The job is not an open dead letter");
    public static readonly ProblemType BulkEnded = new("bulk-ended", 409, "The bulk action has already ended");
    public static readonly ProblemType ReviewDecided = new("review-decided", 409, "The review is not open any more");
    public static readonly ProblemType ReviewClaimed = new("review-claimed", 409, "Somebody else has the review in hand");
    public static readonly ProblemType ReviewChanged = new("review-changed", 409, "The review was changed meanwhile");
    public static readonly ProblemType TooManyBulkActions = new("too-many-bulk-actions", 409, "Too many bulk actions are running");
    public static readonly ProblemType BudgetExists = new("budget-exists", 409, "There is such a budget already");
    public static readonly ProblemType DeploymentInUse = new("deployment-in-use", 409, "A route needs the deployment");
    public static readonly ProblemType NoCredentialSecret = new("no-credential-secret", 409, "Provider keys cannot be stored here");
    public static readonly ProblemType OtherTenant = new("other-tenant", 409, "The request is meant for another tenant");
    public static readonly ProblemType KeyEnded = new("key-ended", 409, "The API key is over");
    public static readonly ProblemType TooManyKeys = new("too-many-keys", 409, "The tenant has too many API keys");
    public static readonly ProblemType SlugTaken = new("slug-taken", 409, "The name is taken");
    public static readonly ProblemType ResultNotAwaited = new("result-not-awaited", 409, "Nobody waits for the tool's result");
    public static readonly ProblemType NoToolSecret = new("no-tool-secret", 409, "Headers of tools cannot be stored here");
    public static readonly ProblemType TooManyTools = new("too-many-tools", 409, "There are enough tools");
    public static readonly ProblemType NoWebhookSecret = new("no-webhook-secret", 409, "There is no secret to sign with");
    public static readonly ProblemType EventNotAwaited = new("event-not-awaited", 409, "The run does not wait for this event");
    public static readonly ProblemType ConversationBusy = new("conversation-busy", 409, "Another job of the conversation is open");
    public static readonly ProblemType ConversationFull = new("conversation-full", 409, "The conversation has enough messages");
    public static readonly ProblemType TooManyWorkflows = new("too-many-workflows", 409, "There are enough workflows");
    public static readonly ProblemType TooManyDocuments = new("too-many-documents", 409, "There are enough documents");
    public static readonly ProblemType TooManyWebhooks = new("too-many-webhooks", 409, "There are enough webhooks");
    public static readonly ProblemType PromptExists = new("prompt-exists", 409, "There is such a prompt already");
    public static readonly ProblemType NothingToRollBack = new("nothing-to-roll-back", 409, "The label said nothing before");
    public static readonly ProblemType FileInUse = new("file-in-use", 409, "The file is needed");
    public static readonly ProblemType BatchEnded = new("batch-ended", 409, "The batch has already ended");
    public static readonly ProblemType FilesFull = new("files-full", 409, "The tenant's files take all their room");
    public static readonly ProblemType RequestInProgress = new("request-in-progress", 409, "The same request is still being answered");
    public static readonly ProblemType AnswerNotKept = new("answer-not-kept", 409, "The answer was too large to be kept");
    public static readonly ProblemType VersionMismatch = new("version-mismatch", 412, "It was changed meanwhile");
    public static readonly ProblemType BodyTooLarge = new("body-too-large", 413, "The body is too large");
    public static readonly ProblemType UnsupportedMediaType = new("unsupported-media-type", 415, "The body is not sent as JSON");

    public static readonly ProblemType IdempotencyKeyReused = new(
        "idempotency-key-reused",
        422,
        "The Idempotency-Key was used for another request"
    );

    public static readonly ProblemType UnknownAttachment = new("unknown-attachment", 422, "There is no such file to attach");
    public static readonly ProblemType FileNotAttachable = new("file-not-attachable", 422, "No model can be given the file");
    public static readonly ProblemType AttachmentsTooLarge = new("attachments-too-large", 422, "The attached files are too large together");

    public static readonly ProblemType ContractViolated = new("contract-violated", 422, "The text breaks the job's contract");

    public static readonly ProblemType TenantQueueFull = new("tenant-queue-full", 429, "Too many jobs of this tenant wait");
    public static readonly ProblemType TooManyBatches = new("too-many-batches", 429, "Too many batches of this tenant have not ended");
    public static readonly ProblemType KeyLimitReached = new("key-limit-reached", 429, "The API key has used up a limit");
    public static readonly ProblemType AddressLimitReached = new("address-limit-reached", 429, "The address has used up a limit");
    public static readonly ProblemType TenantLimitReached = new("tenant-limit-reached", 429, "The tenant has used up a limit");
    public static readonly ProblemType ProviderBusy = new("provider-busy", 429, "What the provider allows is used up");
    public static readonly ProblemType BudgetSpent = new("budget-spent", 429, "A budget is spent");
    public static readonly ProblemType TooManyAttempts = new("too-many-attempts", 429, "Too many requests failed");
    public static readonly ProblemType InternalError = new("internal-error", 500, "Something went wrong on our side");
    public static readonly ProblemType ProviderFailed = new("provider-failed", 502, "The provider failed");
    public static readonly ProblemType ProviderDown = new("provider-down", 503, "No provider can begin before the deadline");
    public static readonly ProblemType Draining = new("draining", 503, "It takes no new jobs for now");
    public static readonly ProblemType QueueFull = new("queue-full", 503, "Too many jobs wait");
    public static readonly ProblemType Overloaded = new("overloaded", 503, "Too much work is arriving");
    public static readonly ProblemType StorageUnavailable = new("storage-unavailable", 503, "The database cannot be reached");
    public static readonly ProblemType StorageFull = new("storage-full", 503, "The database has no room");

    /// <summary>What can be wrong with any JSON body.</summary>
    public static IReadOnlyList<ProblemType> OfBody { get; } =
    [InvalidJson, InvalidUtf8, TooDeep, UnknownMember, DuplicateMember, InvalidValue, BodyTooLarge, UnsupportedMediaType];

    /// <summary>All of the above.</summary>
    public static IReadOnlyList<ProblemType> All { get; } =
    [
        InvalidJson,
        InvalidUtf8,
        TooDeep,
        UnknownMember,
        ForbiddenMember,
        UnsupportedParameter,
        DuplicateMember,
        InvalidValue,
        UnknownType,
        MissingMessages,
        EmptyText,
        UnknownModel,
        BadCursor,
        BadAfter,
        UnknownQueryParameter,
        ReasonNeeded,
        MalformedIdempotencyKey,
        MalformedRequest,
        Unauthorized,
        SignInFailed,
        InvalidSignature,
        MissingScope,
        ForeignOrigin,
        PriorityTooHigh,
        ModelNotAllowed,
        BeyondOwnKey,
        JobNotFound,
        BulkNotFound,
        AlertNotFound,
        ProviderNotFound,
        RouteNotFound,
        DeploymentNotFound,
        CredentialNotFound,
        BudgetNotFound,
        ControlNotFound,
        KeyNotFound,
        TenantNotFound,
        UserNotFound,
        ReviewNotFound,
        WebhookNotFound,
        WorkflowNotFound,
        ConversationNotFound,
        MessageNotFound,
        ProfileNotFound,
        DocumentNotFound,
        DeliveryNotFound,
        BatchNotFound,
        FileNotFound,
        NotFound,
        MethodNotAllowed,
        RequestTimeout,
        JobTerminal,
        JobNotEnded,
        NotADeadLetter,
        BulkEnded,
        ReviewDecided,
        ReviewClaimed,
        ReviewChanged,
        TooManyBulkActions,
        BudgetExists,
        DeploymentInUse,
        NoCredentialSecret,
        OtherTenant,
        KeyEnded,
        TooManyKeys,
        SlugTaken,
        NothingToRollBack,
        PromptNotFound,
        ToolCallNotFound,
        ResultNotAwaited,
        TooManyTools,
        PromptExists,
        ToolNotFound,
        UnknownTool,
        NoToolSecret,
        NoWebhookSecret,
        EventNotAwaited,
        ConversationBusy,
        ConversationFull,
        TooManyWorkflows,
        TooManyDocuments,
        TooManyWebhooks,
        FileInUse,
        BatchEnded,
        FilesFull,
        RequestInProgress,
        AnswerNotKept,
        VersionMismatch,
        BodyTooLarge,
        UnsupportedMediaType,
        IdempotencyKeyReused,
        UnknownAttachment,
        FileNotAttachable,
        AttachmentsTooLarge,
        ContractViolated,
        TenantQueueFull,
        TooManyBatches,
        KeyLimitReached,
        AddressLimitReached,
        TenantLimitReached,
        ProviderBusy,
        BudgetSpent,
        TooManyAttempts,
        InternalError,
        ProviderFailed,
        Overloaded,
        QueueFull,
        ProviderDown,
        Draining,
        StorageUnavailable,
        StorageFull,
    ];
}

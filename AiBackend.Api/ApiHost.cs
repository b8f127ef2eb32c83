using AiBackend.Api.Audit;
using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Contracts;
using AiBackend.Api.Controls;
using AiBackend.Api.Conversations;
using AiBackend.Api.DeadLetters;
using AiBackend.Api.DeadLetters.Alerts;
using AiBackend.Api.Files;
using AiBackend.Api.Hosting;
using AiBackend.Api.Jobs;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.Knowledge;
using AiBackend.Api.Money;
using AiBackend.Api.OpenAi;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.OpenApi;
using AiBackend.Api.Operations;
using AiBackend.Api.Privacy;
using AiBackend.Api.Problems;
using AiBackend.Api.Prompts;
using AiBackend.Api.Repeats;
using AiBackend.Api.Reviews;
using AiBackend.Api.Routing;
using AiBackend.Api.Tenancy;
using AiBackend.Api.Tools;
using AiBackend.Api.Users;
using AiBackend.Api.Webhooks;
using AiBackend.Api.Webhooks.Inbound;
using AiBackend.Api.Workflows;
using AiBackend.Core.Admission;
using AiBackend.Core.Audit;
using AiBackend.Core.Batches;
using AiBackend.Core.Controls;
using AiBackend.Core.Database;
using AiBackend.Core.DeadLetters;
using AiBackend.Core.Events;
using AiBackend.Core.Faults;
using AiBackend.Core.Files;
using AiBackend.Core.Jobs;
using AiBackend.Core.Money;
using AiBackend.Core.Operations;
using AiBackend.Core.Providers;
using AiBackend.Core.Queue;
using AiBackend.Core.Redis;
using AiBackend.Core.Routing;
using AiBackend.Core.Tenancy;
using AiBackend.Core.Tools;
using AiBackend.Core.Webhooks;
using AiBackend.ServiceDefaults;
using AiBackend.ServiceDefaults.Hosting;
using Microsoft.Extensions.Options;

namespace AiBackend.Api;

/// <summary>The whole Api as one application, so that a test can host it in its own process.</summary>
internal static class ApiHost
{
    // Callers wait for every statement of this process: better a prompt 503 than an answer nobody is there to read.
    private static readonly TimeSpan StoragePatience = TimeSpan.FromSeconds(5);

    /// <param name="args">The command line.</param>
    /// <param name="add">What this installation has of its own, for example tools and validators in code.</param>
    public static WebApplication Create(string[] args, Action<IHostApplicationBuilder>? add = null)
    {
        var builder = WebApplication.CreateSlimBuilder(
            new WebApplicationOptions { Args = args, ContentRootPath = AppContext.BaseDirectory }
        );
        builder.AddServiceDefaults();
        builder.RequireHostNames();
        builder.RequireOwnCertificate();
        builder.AddProxies();
        builder.AddFaultPoints(builder.RefuseStart);
        builder.AddKestrelLimits();
        builder.AddProblems();
        builder.AddApiKeys();
        builder.AddReadinessChecks();
        builder.AddCore();
        builder.AddEndpoints();
        add?.Invoke(builder);

        var app = builder.Build();
        // Before anything is built from them, so that every fault of a configuration is told at once and in its own words.
        app.Services.GetRequiredService<IStartupValidator>().Validate();
        app.UseProxies();
        app.UseResponseGuards();
        app.UseOpenAiHeaders();
        app.UseProblems();
        app.UseRouting();
        app.Use(HubDoor.CheckOriginAsync);
        app.Use(app.Services.GetRequiredService<AddressLimits>().InvokeAsync);
        app.UseStorageGate();
        app.UseAuthentication();
        app.Use(MeantTenant.CheckAsync);
        app.UseAuthorization();
        app.Use(app.Services.GetRequiredService<TenantLimits>().InvokeAsync);
        app.Use(app.Services.GetRequiredService<RepeatedPosts>().InvokeAsync);
        app.UseAuditActor();
        app.MapDefaultEndpoints();
        app.MapEndpoints();
        return app;
    }

    /// <summary>The features of Core that the Api uses.</summary>
    private static void AddCore(this IHostApplicationBuilder builder)
    {
        builder.AddDatabase(DatabaseRole.Api, StoragePatience);
        builder.AddRedis();
        builder.AddQueue();
        builder.AddTenancy();
        builder.AddTenancyAdministration();
        builder.AddAudit();
        builder.AddJobSignals();
        builder.AddJobSubmission();
        builder.AddJobEventReading();
        builder.AddDeadLetters();
        builder.AddOperationsReads();
        builder.AddLimitReads();
        builder.AddRouting();
        builder.AddDirectCalls();
        builder.AddHeldCalls();
        builder.AddProviders();
        builder.AddKeyReports();
        builder.AddControls();
        builder.AddQueueCaps();
        builder.AddWebhookEndpoints();
        builder.AddToolRegistry();
        builder.AddFiles();
        builder.AddBatches();
    }

    private static void AddEndpoints(this IHostApplicationBuilder builder)
    {
        builder.AddRepeats();
        builder.AddContracts();
        builder.AddFileRequests();
        builder.AddKnowledgeRequests();
        builder.AddConversationRequests();
        builder.AddPromptEndpoints();
        builder.AddJobEndpoints();
        builder.AddDeadLetterEndpoints();
        builder.AddReviewEndpoints();
        builder.AddOperationsEndpoints();
        builder.AddRoutingEndpoints();
        builder.AddMoney();
        builder.AddMoneyEndpoints();
        builder.AddControlEndpoints();
        builder.AddTenancyEndpoints();
        builder.AddAuditEndpoints();
        builder.AddUserEndpoints();
        builder.AddOpenAiEndpoints();
        builder.AddWorkflowRequests();
        builder.AddWebhookRequests();
        builder.AddToolRequests();
        builder.AddInboundWebhooks();
        builder.AddPrivacyRequests();
        builder.AddApiDocument();
    }

    private static void MapEndpoints(this WebApplication app)
    {
        app.MapJobs();
        app.MapContracts();
        app.MapFiles();
        app.MapKnowledge();
        app.MapConversations();
        app.MapPrompts();
        app.MapWorkflows();
        app.MapDeadLetters();
        app.MapBulkActions();
        app.MapAlerts();
        app.MapReviews();
        app.MapOperations();
        app.MapRouting();
        app.MapMoney();
        app.MapControls();
        app.MapTenancy();
        app.MapAudit();
        app.MapUsers();
        app.MapOpenAi();
        app.MapWebhooks();
        app.MapTools();
        app.MapInboundWebhooks();
        app.MapPrivacy();
        app.MapProblemPages();
        app.MapApiDocument();
    }
}

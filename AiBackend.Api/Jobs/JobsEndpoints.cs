using AiBackend.Api.Auth;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.Jobs.Submitting;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Jobs;

/// <summary>Every route of a job, at a glance.</summary>
internal static class JobsEndpoints
{
    public static void AddJobEndpoints(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<BenchOptions>().BindConfiguration(BenchOptions.SectionName).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<BenchOptions>, BenchOptionsValidator>();
        builder.Services.AddSingleton<JobRequestRules>().AddSingleton<AcceptedJob>().AddSingleton<JobWait>();
        builder.Services.AddSingleton<SubmitJob>().AddSingleton<GetJob>().AddSingleton<ListJobs>();
        builder.Services.AddSingleton<GetJobTrace>().AddSingleton<CancelJobRequest>();
        builder.AddJobStreaming();
    }

    public static void MapJobs(this IEndpointRouteBuilder app)
    {
        var jobs = app.MapGroup("/api/v1/jobs").WithTags("Jobs");
        var services = app.ServiceProvider;

        jobs.MapPost("", services.GetRequiredService<SubmitJob>().HandleAsync).RequireAuthorization(Policies.WriteJobs);
        jobs.MapGet("", services.GetRequiredService<ListJobs>().HandleAsync).RequireAuthorization(Policies.ReadJobs);
        jobs.MapGet("/{id}", services.GetRequiredService<GetJob>().HandleAsync).RequireAuthorization(Policies.ReadJobs);
        jobs.MapGet("/{id}/events", services.GetRequiredService<StreamJobEvents>().HandleAsync).RequireAuthorization(Policies.ReadJobs);
        jobs.MapGet("/{id}/trace", services.GetRequiredService<GetJobTrace>().HandleAsync).RequireAuthorization(Policies.ReadJobs);
        jobs.MapPost("/{id}/cancel", services.GetRequiredService<CancelJobRequest>().HandleAsync).RequireAuthorization(Policies.WriteJobs);

        app.MapHub<JobsHub>("/hubs/jobs").RequireAuthorization(Policies.ReadJobs);
    }
}

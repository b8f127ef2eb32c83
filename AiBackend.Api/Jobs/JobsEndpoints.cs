using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.Files;
using AiBackend.Api.Jobs.Streaming;
using AiBackend.Api.Jobs.Submitting;
using AiBackend.Api.Repeats;
using Microsoft.Extensions.Options;

namespace AiBackend.Api.Jobs;

/// <summary>Every route of a job, at a glance. <see cref="JobsDescription"/> says what the OpenAPI document tells about them.</summary>
internal static class JobsEndpoints
{
    public static void AddJobEndpoints(this IHostApplicationBuilder builder)
    {
        builder.Services.AddOptions<BenchOptions>().BindConfiguration(BenchOptions.SectionName).ValidateOnStart();
        builder.Services.AddSingleton<IValidateOptions<BenchOptions>, BenchOptionsValidator>();
        builder
            .Services.AddSingleton<JobRequestRules>()
            .AddSingleton<JobTermsRules>()
            .AddSingleton<JobFieldRules>()
            .AddSingleton<PinTools>()
            .AddSingleton<PinFiles>()
            .AddSingleton<KeepSentFiles>()
            .AddSingleton<DownRoute>()
            .AddSingleton<HeldBack>()
            .AddSingleton<FullQueue>()
            .AddSingleton<JobAcceptance>()
            .AddSingleton<SubmissionMetrics>()
            .AddSingleton<AcceptedJob>()
            .AddSingleton<JobWait>();
        builder.Services.AddSingleton<SubmitJob>().AddSingleton<GetJob>().AddSingleton<ListJobs>();
        builder.Services.AddSingleton<GetJobTrace>().AddSingleton<CancelJobRequest>();
        builder.AddJobStreaming();
    }

    public static void MapJobs(this IEndpointRouteBuilder app)
    {
        var read = app.MapGroup("/api/v1/jobs").WithTags("Jobs").RequireAuthorization(Policies.ReadJobs);
        var write = app.MapGroup("/api/v1/jobs").WithTags("Jobs").RequireAuthorization(Policies.WriteJobs);
        var services = app.ServiceProvider;

        write.MapPost("", services.GetRequiredService<SubmitJob>().HandleAsync).KnowsRepeats().DescribeSubmit();
        read.MapGet("", services.GetRequiredService<ListJobs>().HandleAsync).DescribeList();
        read.MapGet("/{id}", services.GetRequiredService<GetJob>().HandleAsync).DescribeGet();
        read.MapGet("/{id}/events", services.GetRequiredService<StreamJobEvents>().HandleAsync)
            .WithMetadata(new BeginsStream(), new TakesStreamTicket())
            .DescribeEvents();
        read.MapPost("/{id}/stream-tickets", services.GetRequiredService<CreateStreamTicket>().HandleAsync).DescribeStreamTickets();
        read.MapGet("/{id}/trace", services.GetRequiredService<GetJobTrace>().HandleAsync).DescribeTrace();
        write.MapPost("/{id}/cancel", services.GetRequiredService<CancelJobRequest>().HandleAsync).DescribeCancel();

        app.MapHub<JobsHub>(HubDoor.Address, HubDoor.Configure).RequireAuthorization(Policies.ReadJobs).WithMetadata(new BeginsStream());
    }
}

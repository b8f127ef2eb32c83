using AiBackend.Api.Auth;
using AiBackend.Api.Auth.Limits;
using AiBackend.Api.OpenAi.Batches;
using AiBackend.Api.OpenAi.Calls;
using AiBackend.Api.OpenAi.Catalog;
using AiBackend.Api.OpenAi.Chat;
using AiBackend.Api.OpenAi.Embeddings;
using AiBackend.Api.OpenAi.Files;
using AiBackend.Api.OpenAi.Reading;
using AiBackend.Api.OpenAi.Responses;
using AiBackend.Api.OpenAi.Wire;
using AiBackend.Api.Repeats;
using AiBackend.Core.Jobs;

namespace AiBackend.Api.OpenAi;

/// <summary>The addresses that OpenAI's own clients call.</summary>
internal static class OpenAiEndpoints
{
    public static void AddOpenAiEndpoints(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<OpenAiOptions>()
            .BindConfiguration(OpenAiOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton<AttachedCallers>().AddSingleton<LeftCalls>().AddSingleton<AttachedCalls>();
        builder.Services.AddSingleton<ModelRequests>().AddSingleton<FileBodies>().AddSingleton<ChatCompletions>();
        builder.Services.AddSingleton<EmbeddingRoom>().AddSingleton<CreateEmbedding>();
        builder.Services.AddSingleton<FileRequests>();
        builder.Services.AddSingleton<BatchRequests>().AddSingleton<ReadBatchFile>().AddSingleton<LineDrafts>().AddSingleton<SubmitLines>();
        builder.Services.AddSingleton<LineAnswers>().AddSingleton<WriteBatchFiles>().AddHostedService<BatchRounds>();
        builder.Services.AddSingleton<DoorDetailsStore>().AddSingleton<PreviousResponses>();
        builder.Services.AddSingleton<CreateResponse>().AddSingleton<ReadResponse>().AddSingleton<ChangeResponse>();
    }

    public static void MapOpenAi(this IEndpointRouteBuilder app)
    {
        var services = app.ServiceProvider;
        // The native API alone is described by the document; OpenAI describes this one.
        var any = app.MapGroup(OpenAiAddress.Root).ExcludeFromDescription().RequireAuthorization(Policies.AnyKey);
        var write = app.MapGroup(OpenAiAddress.Root).ExcludeFromDescription().RequireAuthorization(Policies.WriteJobs);

        var read = app.MapGroup(OpenAiAddress.Root).ExcludeFromDescription().RequireAuthorization(Policies.ReadJobs);

        any.MapGet("/models", services.GetRequiredService<ModelRequests>().ListAsync);
        any.MapGet("/models/{**model}", services.GetRequiredService<ModelRequests>().GetAsync);
        write.MapPost("/chat/completions", services.GetRequiredService<ChatCompletions>().HandleAsync).KnowsRepeats();
        write.MapPost("/embeddings", services.GetRequiredService<CreateEmbedding>().HandleAsync).KnowsRepeats();

        write.MapPost("/files", services.GetRequiredService<FileRequests>().UploadAsync).KnowsRepeats();
        read.MapGet("/files", services.GetRequiredService<FileRequests>().ListAsync);
        read.MapGet("/files/{id}", services.GetRequiredService<FileRequests>().GetAsync);
        read.MapGet("/files/{id}/content", services.GetRequiredService<FileRequests>().ContentAsync);
        write.MapDelete("/files/{id}", services.GetRequiredService<FileRequests>().DeleteAsync);

        write.MapPost("/batches", services.GetRequiredService<BatchRequests>().CreateAsync).KnowsRepeats();
        read.MapGet("/batches", services.GetRequiredService<BatchRequests>().ListAsync);
        read.MapGet("/batches/{id}", services.GetRequiredService<BatchRequests>().GetAsync);
        write.MapPost("/batches/{id}/cancel", services.GetRequiredService<BatchRequests>().CancelAsync);

        write.MapPost("/responses", services.GetRequiredService<CreateResponse>().HandleAsync).KnowsRepeats();
        read.MapGet("/responses/{id}", services.GetRequiredService<ReadResponse>().GetAsync).WithMetadata(new BeginsStream());
        read.MapGet("/responses/{id}/input_items", services.GetRequiredService<ReadResponse>().ItemsAsync);
        write.MapPost("/responses/{id}/cancel", services.GetRequiredService<ChangeResponse>().CancelAsync);
        write.MapDelete("/responses/{id}", services.GetRequiredService<ChangeResponse>().DeleteAsync);
    }
}

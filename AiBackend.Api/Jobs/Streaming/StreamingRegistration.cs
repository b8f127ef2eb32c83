using System.Text.Json.Serialization.Metadata;
using AiBackend.ApiContracts;
using Microsoft.AspNetCore.SignalR;

namespace AiBackend.Api.Jobs.Streaming;

/// <summary>Registers both ways of following a job.</summary>
internal static class StreamingRegistration
{
    private const int MaxMessageBytes = 32 * 1024;

    public static void AddJobStreaming(this IHostApplicationBuilder builder)
    {
        builder
            .Services.AddOptions<StreamingOptions>()
            .BindConfiguration(StreamingOptions.SectionName)
            .ValidateDataAnnotations()
            .ValidateOnStart();
        builder.Services.AddSingleton<HubDoor>();
        builder.Services.AddSingleton<JobEventTail>().AddSingleton<EventStream>().AddSingleton<StreamJobEvents>();
        builder.Services.AddSingleton<StreamTicketDoor>().AddSingleton<CreateStreamTicket>();

        // It logs every refusal of a caller as an error; what callers are not to blame for, the hub logs itself.
        builder.Logging.AddFilter("Microsoft.AspNetCore.SignalR.Internal.DefaultHubDispatcher", LogLevel.Critical);
        builder
            .Services.AddSignalR(hub =>
            {
                hub.MaximumReceiveMessageSize = MaxMessageBytes;
                // A reader asks for streams and cancels them; it has no reason to run many calls at once.
                hub.MaximumParallelInvocationsPerClient = 4;
                hub.AddFilter<HubDoor>();
            })
            .AddJsonProtocol(json =>
                json.PayloadSerializerOptions.TypeInfoResolver = JsonTypeInfoResolver.Combine(
                    WireJson.Default,
                    new DefaultJsonTypeInfoResolver()
                )
            );
    }
}

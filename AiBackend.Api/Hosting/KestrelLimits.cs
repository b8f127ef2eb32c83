using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;

namespace AiBackend.Api.Hosting;

/// <summary>What one connection may ask of this process; Kestrel's own defaults are made for trusted callers.</summary>
internal static class KestrelLimits
{
    public const int MaxBodyBytes = 1024 * 1024;

    // Left to itself the kernel takes up to 4 MB for a reader that reads nothing; it doubles what it is told.
    private const int SendBufferBytes = 64 * 1024;

    // What is buffered for a reader that stands still is then given up after a minute or so; it comes back and resumes.
    private static readonly MinDataRate SlowestReader = new(bytesPerSecond: 2048, gracePeriod: TimeSpan.FromSeconds(10));

    public static void AddKestrelLimits(this WebApplicationBuilder builder)
    {
        builder.Services.Configure<SocketTransportOptions>(sockets =>
            sockets.CreateBoundListenSocket = endpoint =>
            {
                var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
                socket.SendBufferSize = SendBufferBytes;
                return socket;
            }
        );
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = MaxBodyBytes;
            kestrel.Limits.MaxRequestHeadersTotalSize = 32 * 1024;
            kestrel.Limits.MaxRequestHeaderCount = 100;
            kestrel.Limits.MaxRequestLineSize = 8 * 1024;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(15);
            kestrel.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(60);
            kestrel.Limits.MaxConcurrentConnections = 20_000;
            kestrel.Limits.MaxConcurrentUpgradedConnections = 10_000;
            kestrel.Limits.MinResponseDataRate = SlowestReader;
            kestrel.Limits.Http2.MaxStreamsPerConnection = 100;
        });
    }
}

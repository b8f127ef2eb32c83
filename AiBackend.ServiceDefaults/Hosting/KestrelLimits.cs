using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace AiBackend.ServiceDefaults.Hosting;

/// <summary>What one connection may ask of a process; Kestrel's own defaults are made for trusted callers.</summary>
public static class KestrelLimits
{
    /// <summary>Largest body of a request that says nothing else, in bytes.</summary>
    public const int MaxBodyBytes = 1024 * 1024;

    // Left to itself the kernel takes up to 4 MB for a reader that reads nothing; it doubles what it is told.
    private const int SendBufferBytes = 64 * 1024;

    // What is buffered for a reader that stands still is then given up after a minute or so; it comes back and resumes.
    private static readonly MinDataRate SlowestReader = new(bytesPerSecond: 2048, gracePeriod: TimeSpan.FromSeconds(10));

    /// <summary>Sets them.</summary>
    /// <param name="builder">The program.</param>
    /// <param name="maxBodyBytes">Largest body, in bytes.</param>
    public static void AddKestrelLimits(this IHostApplicationBuilder builder, long maxBodyBytes = MaxBodyBytes)
    {
        builder.Services.Configure<SocketTransportOptions>(sockets =>
            sockets.CreateBoundListenSocket = endpoint =>
            {
                var socket = SocketTransportOptions.CreateDefaultBoundListenSocket(endpoint);
                socket.SendBufferSize = SendBufferBytes;
                return socket;
            }
        );
        builder.Services.Configure<KestrelServerOptions>(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = maxBodyBytes;
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

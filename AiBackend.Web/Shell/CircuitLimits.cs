using System.ComponentModel.DataAnnotations;
using System.Security.Claims;
using Microsoft.Extensions.Options;

namespace AiBackend.Web.Shell;

/// <summary>How many pages may be live at once; each keeps its state in this process. Section <c>Circuits</c>; changes need a restart.</summary>
internal sealed class CircuitOptions
{
    public const string SectionName = "Circuits";

    /// <summary>Of one user; where nobody signs in, of one address. Default 200.</summary>
    [Range(1, 100_000)]
    public int PerReader { get; set; } = 200;

    /// <summary>Of all readers. Default 5 000.</summary>
    [Range(1, 1_000_000)]
    public int AtOnce { get; set; } = 5_000;
}

/// <summary>Lets no reader have all of the process: beyond the limits a page is shown and is not live, until others are closed.</summary>
internal sealed class CircuitLimits(IOptions<CircuitOptions> options)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _open = new(StringComparer.Ordinal);
    private int _all;

    /// <summary>Comes after the reader is known. A circuit is a request of this address that lasts as long.</summary>
    public async Task InvokeAsync(HttpContext context, RequestDelegate next)
    {
        if (
            context.Request.Path != "/_blazor"
            || !(HttpMethods.IsGet(context.Request.Method) || HttpMethods.IsConnect(context.Request.Method))
        )
        {
            await next(context);
            return;
        }

        var reader = context.User.FindFirst(ClaimTypes.NameIdentifier)?.Value ?? context.Connection.RemoteIpAddress?.ToString() ?? "";
        if (!TryEnter(reader))
        {
            // Without a page: the script tries again by itself.
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            await context.Response.CompleteAsync();
            return;
        }

        try
        {
            await next(context);
        }
        finally
        {
            Leave(reader);
        }
    }

    private bool TryEnter(string reader)
    {
        lock (_gate)
        {
            var open = _open.GetValueOrDefault(reader);
            if (open >= options.Value.PerReader || _all >= options.Value.AtOnce)
            {
                return false;
            }

            _open[reader] = open + 1;
            _all++;
            return true;
        }
    }

    private void Leave(string reader)
    {
        lock (_gate)
        {
            _all--;
            if (--_open[reader] == 0)
            {
                _open.Remove(reader);
            }
        }
    }
}

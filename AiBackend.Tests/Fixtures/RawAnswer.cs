using System.Net.Sockets;
using System.Text;

namespace AiBackend.Tests.Fixtures;

/// <summary>What comes over a connection on which nobody keeps to HTTP.</summary>
internal static class RawAnswer
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <returns>All that came until the server closed the connection, also when it cut off what was still being sent.</returns>
    public static async Task<string> ReadToEndAsync(NetworkStream stream)
    {
        using var late = CancellationTokenSource.CreateLinkedTokenSource(TestRun.Cancel);
        late.CancelAfter(Patience);
        var answer = new StringBuilder();
        var buffer = new byte[4096];
        try
        {
            int read;
            while ((read = await stream.ReadAsync(buffer, late.Token)) > 0)
            {
                answer.Append(Encoding.Latin1.GetString(buffer, 0, read));
            }
        }
        catch (IOException)
        {
            // What came before is what was said.
        }

        return answer.ToString();
    }
}

using System.ComponentModel;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using AiBackend.Core.Files;
using Microsoft.Extensions.Options;
using static System.FormattableString;

namespace AiBackend.Worker.Execution.Attached;

/// <summary>Why a PDF gives no text, to be said behind its name.</summary>
/// <param name="Message">The rest of the sentence, with what to do.</param>
/// <param name="IsTooLarge">Whether a smaller one would do.</param>
internal sealed record PdfFault(string Message, bool IsTooLarge = false);

/// <summary>Finds the text of PDFs, each in a process of its own.</summary>
/// <remarks>
/// A PDF is a program that somebody sent: it can be made to take any time, memory or depth of a stack, and no exception tells of the last.
/// So it is read by a copy of this program with little memory, which is ended when it takes too long; nobody else is in it.
/// </remarks>
internal sealed class PdfTexts(IOptions<FilesOptions> options, TimeProvider clock) : IDisposable
{
    // 512 MB in hexadecimal, as the runtime reads it.
    private const string MostMemory = "0x20000000";

    private readonly SemaphoreSlim _turns = new(Math.Clamp(Environment.ProcessorCount, 2, 4));

    /// <param name="pdf">The document.</param>
    /// <param name="room">Most bytes of text.</param>
    /// <param name="stop">Ends the process.</param>
    public async Task<(PdfFault? Fault, string Text)> ReadAsync(ReadOnlyMemory<byte> pdf, int room, CancellationToken stop)
    {
        await _turns.WaitAsync(stop);
        try
        {
            return await ReadNowAsync(pdf, room, stop);
        }
        finally
        {
            _turns.Release();
        }
    }

    public void Dispose() => _turns.Dispose();

    private async Task<(PdfFault? Fault, string Text)> ReadNowAsync(ReadOnlyMemory<byte> pdf, int room, CancellationToken stop)
    {
        var patience = options.Value.PdfPatience;
        using var late = new CancellationTokenSource(patience, clock);
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop, late.Token);
        using var reader = Process.Start(Describe(room))!;
        try
        {
            var text = ReadOutputAsync(reader, room, end.Token);
            var errors = reader.StandardError.ReadToEndAsync(end.Token);
            await WriteAsync(reader, pdf, end.Token);
            await Task.WhenAll(text, errors, reader.WaitForExitAsync(end.Token));
            return (FaultOf((PdfReaderEnd)reader.ExitCode, room), await text);
        }
        catch (OperationCanceledException) when (late.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            return (
                new(
                    Invariant($"takes longer than {patience.TotalSeconds} s to read. Attach a simpler one, or its text."),
                    IsTooLarge: true
                ),
                ""
            );
        }
        finally
        {
            End(reader);
        }
    }

    private static async Task WriteAsync(Process reader, ReadOnlyMemory<byte> pdf, CancellationToken stop)
    {
        try
        {
            await reader.StandardInput.BaseStream.WriteAsync(pdf, stop);
            reader.StandardInput.Close();
        }
        catch (IOException)
        {
            // It ended before it had read all: its exit code says why.
        }
    }

    private static async Task<string> ReadOutputAsync(Process reader, int room, CancellationToken stop)
    {
        var bytes = new byte[room];
        var length = await reader.StandardOutput.BaseStream.ReadAtLeastAsync(bytes, room, throwOnEndOfStream: false, stop);
        return Encoding.UTF8.GetString(bytes, 0, length);
    }

    private PdfFault? FaultOf(PdfReaderEnd end, int room) =>
        end switch
        {
            PdfReaderEnd.Read => null,
            PdfReaderEnd.TooManyPages => new(
                Invariant($"has more than {options.Value.MaxPdfPages} pages. Attach the part that matters."),
                IsTooLarge: true
            ),
            PdfReaderEnd.TooMuchText => new(
                Invariant($"has more text than the {room} bytes that are left for it. Attach the part that matters."),
                IsTooLarge: true
            ),
            PdfReaderEnd.Encrypted => new("is encrypted. Attach it without a password."),
            PdfReaderEnd.NoText => new("has no text, as when its pages are pictures. Attach them as PNG or JPEG, or a PDF with text."),
            // Also when it died of it.
            _ => new("cannot be read as a PDF: it is broken, or too complex. Save it anew, or attach its text."),
        };

    private ProcessStartInfo Describe(int room)
    {
        string[] arguments =
        [
            PdfReader.Command,
            options.Value.MaxPdfPages.ToString(CultureInfo.InvariantCulture),
            room.ToString(CultureInfo.InvariantCulture),
            // Longer than we wait, so that ours is what is told.
            (2 * options.Value.PdfPatience).TotalMilliseconds.ToString("0", CultureInfo.InvariantCulture),
        ];
        var (self, assembly) = (Environment.ProcessPath, typeof(PdfTexts).Assembly);
        // This program itself, if it is one; else, as in a test, whatever runs its assembly.
        var start =
            Path.GetFileNameWithoutExtension(self) == assembly.GetName().Name
                ? new ProcessStartInfo(self!, arguments)
                : new ProcessStartInfo(
                    Path.GetFileNameWithoutExtension(self) == "dotnet" ? self! : "dotnet",
                    [assembly.Location, .. arguments]
                );
        start.UseShellExecute = false;
        (start.RedirectStandardInput, start.RedirectStandardOutput, start.RedirectStandardError) = (true, true, true);
        // Addresses and keys are none of its business.
        foreach (var name in start.Environment.Keys.Where(name => !IsNeeded(name)).ToList())
        {
            start.Environment.Remove(name);
        }

        start.Environment["DOTNET_GCHeapHardLimit"] = MostMemory;
        return start;
    }

    private static bool IsNeeded(string variable) =>
        variable is "PATH" or "HOME" or "TMPDIR" or "LD_LIBRARY_PATH" || variable.StartsWith("DOTNET_", StringComparison.Ordinal);

    private static void End(Process reader)
    {
        try
        {
            reader.Kill();
        }
        catch (Exception gone) when (gone is InvalidOperationException or Win32Exception)
        {
            // It has ended.
        }
    }
}

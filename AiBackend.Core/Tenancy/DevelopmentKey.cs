using Microsoft.Extensions.Logging;

namespace AiBackend.Core.Tenancy;

/// <summary>The key a developer finds after the first run: for tenant <c>default</c>, with every scope.</summary>
public sealed class DevelopmentKey(ApiKeyStore keys, ILogger<DevelopmentKey> logger)
{
    /// <summary>Configuration that names the file: <c>AIBACKEND_DEV_KEY_FILE</c>.</summary>
    public const string FileVariable = "AIBACKEND_DEV_KEY_FILE";

    /// <summary>Makes the key in the file valid, creating both when they are missing. The file has mode 0600: the key and a newline.</summary>
    public async Task EnsureAsync(string path, CancellationToken cancellationToken)
    {
        var key = File.Exists(path) ? ApiKey.TryParse((await File.ReadAllTextAsync(path, cancellationToken)).Trim()) : null;
        if (key is null)
        {
            key = ApiKey.Create(live: false);
            await WriteAsync(path, key, cancellationToken);
            logger.DevelopmentKeyCreated(path);
        }

        await keys.AddAsync(key, ApiKeyStore.DefaultTenant, "development", ["*"], cancellationToken);
    }

    private static async Task WriteAsync(string path, ApiKey key, CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
        // Written aside and moved: a reader sees the whole key or no file, and the mode is right from the first byte.
        var temporary = path + ".new";
        File.Delete(temporary);
        var create = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (!OperatingSystem.IsWindows())
        {
            create.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
        }

        await using (var writer = new StreamWriter(temporary, create))
        {
            await writer.WriteAsync((key.Text + "\n").AsMemory(), cancellationToken);
        }

        File.Move(temporary, path, overwrite: true);
    }
}

using System.Security.Cryptography;
using System.Text;

namespace AiBackend.Core.Jobs;

/// <summary>Files that came inside a request, in memory until they are stored.</summary>
/// <param name="tenantId">Whose they are.</param>
public sealed class SentFiles(Guid tenantId) : IDisposable
{
    private readonly List<SentFile> _files = [];
    private readonly Dictionary<Guid, string> _places = [];

    /// <summary>Those that are not stored yet, each once.</summary>
    public IReadOnlyList<SentFile> All => _files;

    /// <summary>What of the request was their bytes in base64.</summary>
    public long EncodedBytes { get; private set; }

    /// <summary>The memory that was set aside for them; given back with them.</summary>
    public IDisposable? Room { get; set; }

    /// <summary>Takes a file.</summary>
    /// <param name="name">What it is called.</param>
    /// <param name="bytes">The whole of it.</param>
    /// <param name="encoded">How long it was in the request.</param>
    /// <param name="place">Where in the request.</param>
    /// <returns>Its id, which follows from the file: so that a request and its repeat name the same one, and what is sent with every turn is stored once.</returns>
    public Guid Add(string name, byte[] bytes, long encoded, string place)
    {
        EncodedBytes += encoded;
        var file = new SentFile(IdOf(name, bytes), name, bytes);
        if (!_files.Exists(other => other.Id == file.Id))
        {
            _files.Add(file);
        }

        Note(file.Id, place);
        return file.Id;
    }

    /// <summary>Remembers where the request names a file.</summary>
    public void Note(Guid file, string place) => _places.TryAdd(file, place);

    /// <returns>Null when the request does not name it.</returns>
    public string? PlaceOf(Guid file) => _places.GetValueOrDefault(file);

    /// <summary>Gives the memory back: nobody waits for an answer with the question still in memory.</summary>
    public void Dispose()
    {
        _files.Clear();
        Room?.Dispose();
        Room = null;
    }

    // A UUIDv8 without a time. The tenant is part of it: nobody can guess, or take, the id of another one's file.
    private Guid IdOf(string name, byte[] bytes)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(tenantId.ToByteArray(bigEndian: true));
        hash.AppendData(Encoding.UTF8.GetBytes(name + "\0"));
        hash.AppendData(bytes);
        var id = hash.GetHashAndReset()[..16];
        // Lists are in the order of ids: together, and not strewn among those that were uploaded.
        id.AsSpan(0, 6).Clear();
        id[6] = (byte)(0x80 | (id[6] & 0x0F));
        id[8] = (byte)(0x80 | (id[8] & 0x3F));
        return new Guid(id, bigEndian: true);
    }
}

/// <summary>A file that came inside a request.</summary>
/// <param name="Id">What it will be called by.</param>
/// <param name="Name">What its sender calls it.</param>
/// <param name="Bytes">The whole of it.</param>
public sealed record SentFile(Guid Id, string Name, byte[] Bytes);

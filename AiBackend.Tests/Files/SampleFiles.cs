using System.Buffers.Binary;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using AiBackend.ApiContracts;
using AiBackend.ApiContracts.Files;
using AiBackend.Tests.Fixtures;

namespace AiBackend.Tests.Files;

/// <summary>Files that tests upload, and how.</summary>
internal static class SampleFiles
{
    /// <summary>A picture of one pixel that decoders show.</summary>
    public static byte[] Png { get; } =
        Convert.FromBase64String("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==");

    public static byte[] PngOf(uint width, uint height)
    {
        var png = Png.ToArray();
        BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(16), width);
        BinaryPrimitives.WriteUInt32BigEndian(png.AsSpan(20), height);
        return png;
    }

    public static byte[] Gif(ushort width, ushort height) => [.. "GIF89a"u8, .. Little(width), .. Little(height), 0, 0, 0, 0x3B];

    /// <summary>With a thumbnail and a profile before the size, as cameras write it.</summary>
    public static byte[] Jpeg(ushort width, ushort height, int before = 70_000)
    {
        List<byte> jpeg = [0xFF, 0xD8];
        for (; before > 0; before -= 60_000)
        {
            jpeg.AddRange([0xFF, 0xE1, .. Big(60_002), .. new byte[60_000]]);
        }

        return [.. jpeg, 0xFF, 0xFF, 0xC2, 0, 17, 8, .. Big(height), .. Big(width), 3, .. new byte[16]];
    }

    public static byte[] WebP(string form, uint width, uint height) =>
        [
            .. "RIFF"u8,
            .. new byte[4],
            .. "WEBP"u8,
            .. Encoding.ASCII.GetBytes(form),
            .. new byte[4],
            .. form switch
            {
                "VP8X" => (byte[])[0, 0, 0, 0, .. Three(width - 1), .. Three(height - 1)],
                "VP8L" => [0x2F, .. Four((width - 1) | ((height - 1) << 14)), 0, 0, 0, 0, 0],
                _ => [0, 0, 0, 0x9D, 0x01, 0x2A, .. Little((ushort)width), .. Little((ushort)height)],
            },
        ];

    /// <summary>Posts a file to the native API.</summary>
    public static async Task<HttpResponseMessage> PostAsync(
        HttpClient http,
        byte[] content,
        string name,
        string type = "application/octet-stream",
        string? key = null,
        params (string Name, string Value)[] fields
    )
    {
        var part = new ByteArrayContent(content);
        part.Headers.ContentType = MediaTypeHeaderValue.Parse(type);
        using var form = new MultipartFormDataContent { { part, "file", name } };
        foreach (var (field, value) in fields)
        {
            form.Add(new StringContent(value), field);
        }

        using var request = new HttpRequestMessage(HttpMethod.Post, "/api/v1/files") { Content = form };
        if (key is not null)
        {
            request.Headers.Add("Idempotency-Key", key);
        }

        return await http.SendAsync(request, TestRun.Cancel);
    }

    /// <summary>Posts a file that must be taken.</summary>
    public static async Task<TenantFile> UploadAsync(HttpClient http, byte[] content, string name = "a.txt", string? key = null)
    {
        using var response = await PostAsync(http, content, name, key: key);
        var body = await response.Content.ReadAsStringAsync(TestRun.Cancel);
        Assert.True(response.StatusCode == HttpStatusCode.Created, body);
        return JsonSerializer.Deserialize(body, WireJson.Default.TenantFile)!;
    }

    public static Task<TenantFile> UploadAsync(HttpClient http, string content, string name = "a.txt", string? key = null) =>
        UploadAsync(http, Encoding.UTF8.GetBytes(content), name, key);

    private static byte[] Little(ushort value) => [(byte)value, (byte)(value >> 8)];

    private static byte[] Big(ushort value) => [(byte)(value >> 8), (byte)value];

    private static byte[] Three(uint value) => [(byte)value, (byte)(value >> 8), (byte)(value >> 16)];

    private static byte[] Four(uint value) => [.. Three(value), (byte)(value >> 24)];
}

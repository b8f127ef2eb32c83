using System.Net;

namespace AiBackend.Core.Egress;

/// <summary>Lets the requests of one client through where <see cref="EgressRules"/> allow it, and ends it when its answers grow too long.</summary>
internal sealed class EgressHandler(EgressRules rules, HttpMessageInvoker http, int most) : HttpMessageHandler
{
    private int _left = most;

    protected override async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        if (request.RequestUri is not { IsAbsoluteUri: true } address || rules.Fault(address) is not null)
        {
            throw new HttpRequestException("Nothing is sent to this address.", new EgressRefusedException("The rules forbid it."));
        }

        var response = await http.SendAsync(request, cancellationToken);
        response.Content = new BoundedContent(response.Content, this);
        return response;
    }

    private void Take(int bytes)
    {
        if (Interlocked.Add(ref _left, -bytes) < 0)
        {
            throw new HttpIOException(HttpRequestError.ConfigurationLimitExceeded, "The answers are longer than is read.");
        }
    }

    /// <summary>The same content, counted as it is read.</summary>
    private sealed class BoundedContent : HttpContent
    {
        private readonly HttpContent _inner;
        private readonly EgressHandler _owner;

        public BoundedContent(HttpContent inner, EgressHandler owner)
        {
            (_inner, _owner) = (inner, owner);
            foreach (var (name, values) in inner.Headers)
            {
                Headers.TryAddWithoutValidation(name, values);
            }

            // Whoever reads it all would take a buffer of the size that a stranger says.
            Headers.ContentLength = null;
        }

        protected override Task<Stream> CreateContentReadStreamAsync() => CreateContentReadStreamAsync(CancellationToken.None);

        protected override async Task<Stream> CreateContentReadStreamAsync(CancellationToken cancellationToken) =>
            new BoundedStream(await _inner.ReadAsStreamAsync(cancellationToken), _owner);

        protected override Task SerializeToStreamAsync(Stream stream, TransportContext? context) =>
            SerializeToStreamAsync(stream, context, CancellationToken.None);

        protected override async Task SerializeToStreamAsync(Stream stream, TransportContext? context, CancellationToken cancellationToken)
        {
            await using var source = await CreateContentReadStreamAsync(cancellationToken);
            await source.CopyToAsync(stream, cancellationToken);
        }

        protected override bool TryComputeLength(out long length)
        {
            length = 0;
            return false;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _inner.Dispose();
            }

            base.Dispose(disposing);
        }
    }

    private sealed class BoundedStream(Stream inner, EgressHandler owner) : Stream
    {
        public override bool CanRead => true;
        public override bool CanSeek => false;
        public override bool CanWrite => false;
        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => Counted(inner.Read(buffer, offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            Counted(await inner.ReadAsync(buffer, cancellationToken));

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                inner.Dispose();
            }

            base.Dispose(disposing);
        }

        private int Counted(int read)
        {
            owner.Take(read);
            return read;
        }
    }
}

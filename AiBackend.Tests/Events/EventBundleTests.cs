using AiBackend.Core.Events;
using AiBackend.Core.Jobs;
using FsCheck;
using FsCheck.Fluent;

namespace AiBackend.Tests.Events;

public sealed class EventBundleTests
{
    private static readonly Gen<byte[]> Bytes = Gen.Choose(0, 255).Select(value => (byte)value).ArrayOf();

    [Fact]
    public void Any_list_of_events_reads_back_as_it_was() =>
        Prop.ForAll(
                (
                    from data in Bytes
                    from seq in Gen.Choose(1, int.MaxValue)
                    from kind in Gen.Elements(Enum.GetValues<JobEventKind>())
                    select new JobEventRecord(Guid.CreateVersion7(), seq, kind, data)
                )
                    .ListOf()
                    .ToArbitrary(),
                events =>
                {
                    var decoded = EventBundle.Decode(EventBundle.Encode([.. events])).ToList();

                    Assert.Equal(events.Count, decoded.Count);
                    foreach (var (expected, actual) in events.Zip(decoded))
                    {
                        Assert.Equal((expected.JobId, expected.Seq, expected.Kind), (actual.JobId, actual.Seq, actual.Kind));
                        Assert.Equal(expected.Data.ToArray(), actual.Data.ToArray());
                    }
                }
            )
            .QuickCheckThrowOnFailure();

    [Fact]
    public void A_73_any_bytes_are_read_without_an_error() =>
        Prop.ForAll(Bytes.ToArbitrary(), bytes => EventBundle.Decode(bytes).Count() <= bytes.Length).QuickCheckThrowOnFailure();
}

namespace AiBackend.Core.Queue.Allocation;

/// <summary>Which part of the slots is whose.</summary>
internal static class SlotShares
{
    /// <summary>Batch keeps this share of the slots, whatever happens.</summary>
    public const double LeastOfBatch = 0.1;

    // Of fewer, a tenth is none: there batch has its turn when it has waited too long.
    private const int FewSlots = 4;

    // So that tenants without any are served as well, whatever is promised to the others.
    private const double MostOfReserved = 0.5;

    /// <summary>Slots that may be kept for tenants together.</summary>
    public static int MostReserved(int slots) => (int)(slots * MostOfReserved);

    /// <summary>Slots that batch jobs get before anybody else.</summary>
    public static int LeastBatch(int slots) => slots < FewSlots ? 0 : (int)Math.Ceiling(slots * LeastOfBatch);
}

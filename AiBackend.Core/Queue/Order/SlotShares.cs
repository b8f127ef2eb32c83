namespace AiBackend.Core.Queue.Order;

/// <summary>Which part of the slots is whose.</summary>
internal static class SlotShares
{
    // Of fewer, a tenth is none: there batch has its turn when it has waited too long.
    private const int FewSlots = 4;

    /// <summary>Slots that batch jobs get before anybody else.</summary>
    public static int LeastBatch(int slots) => slots < FewSlots ? 0 : (int)Math.Ceiling(slots * BatchAllowance.Least);
}
